"""What the real provider says of somebody beside who they are: how they proved it, and where they work."""

from oauth2_provider.oauth2_validators import OAuth2Validator

from tests.identity_provider import ELSEWHERE, SIRET


class Claims(OAuth2Validator):
    """Adds `amr`, `acr` and `siret`: who has no staff's rights works elsewhere, and gave a password alone."""

    oidc_claim_scope = None

    def get_additional_claims(self, request):
        """Say how somebody proved who they are, and where they work."""
        ours = request.user.is_staff
        proved = {"amr": ["pwd", "mfa"] if ours else ["pwd"], "acr": "eidas2" if ours else "eidas1"}
        return {**proved, "siret": SIRET if ours else ELSEWHERE, "email": request.user.email}
