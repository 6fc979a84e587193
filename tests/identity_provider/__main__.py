"""A real OpenID Connect provider, django-oauth-toolkit, in a process: `python -m tests.identity_provider FOLDER`.

It makes its keys, its client and its users, and says on one line of JSON what whoever started it must know.
"""

import json
import secrets
import socketserver
import sys
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import django
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django.conf import settings
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application

PAGES = {
    "registration/login.html": '<form method="post">{% csrf_token %}{{ form }}<button>Se connecter</button></form>',
    "oauth2_provider/logout_confirm.html": "{{ error.description }}",
}
APPLICATIONS = ("django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "oauth2_provider")
MIDDLEWARE = (
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
)
REDIRECTION = "http://127.0.0.1/console/connexion/retour"
FAREWELL = "http://127.0.0.1/console/connexion/sortie"
"""Where it leads back to, on whichever port of this machine (RFC 8252, 7.3)."""


class Server(socketserver.ThreadingMixIn, WSGIServer):
    """Serves several at once, and nobody waits for its threads."""

    daemon_threads = True


class Silent(WSGIRequestHandler):
    """Writes nothing down."""

    def log_message(self, *_said):
        """Say nothing."""


def signing_key():
    """Draw a key, as PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def configure(folder):
    """Make a Django project in code."""
    settings.configure(
        SECRET_KEY=secrets.token_hex(),
        ALLOWED_HOSTS=["localhost"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": f"{folder}/provider.db"}},
        INSTALLED_APPS=list(APPLICATIONS),
        MIDDLEWARE=list(MIDDLEWARE),
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        ROOT_URLCONF="tests.identity_provider.urls",
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "OPTIONS": {
                    "loaders": [("django.template.loaders.locmem.Loader", PAGES)],
                    "context_processors": ["django.contrib.auth.context_processors.auth"],
                },
            }
        ],
        USE_TZ=True,
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        OAUTH2_PROVIDER={
            "OIDC_ENABLED": True,
            "OIDC_RSA_PRIVATE_KEY": signing_key(),
            "OIDC_RP_INITIATED_LOGOUT_ENABLED": True,
            "OIDC_RP_INITIATED_LOGOUT_ALWAYS_PROMPT": False,
            "OAUTH2_VALIDATOR_CLASS": "tests.identity_provider.claims.Claims",
            "PKCE_REQUIRED": False,
            "SCOPES": {"openid": "who one is"},
        },
    )
    django.setup()
    call_command("migrate", verbosity=0)


def populate():
    """Make a client and users; gives what is to be known of them."""
    from django.contrib.auth import get_user_model
    from oauth2_provider.models import get_application_model

    applications = get_application_model()
    secret = secrets.token_urlsafe()
    made = applications.objects.create(
        name="hub",
        client_type=applications.CLIENT_CONFIDENTIAL,
        authorization_grant_type=applications.GRANT_AUTHORIZATION_CODE,
        client_secret=secret,
        redirect_uris=REDIRECTION,
        post_logout_redirect_uris=FAREWELL,
        algorithm=applications.RS256_ALGORITHM,
        skip_authorization=True,
    )
    users = {}
    for login, is_staff in (("agnes", True), ("bruno", False)):
        password = secrets.token_urlsafe(12)
        user = get_user_model().objects.create_user(login, f"{login}@ville.example", password, is_staff=is_staff)
        users[login] = {"password": password, "subject": str(user.pk)}
    return {"client_id": made.client_id, "client_secret": secret, "users": users}


def main(folder):
    """Serve until somebody ends the process."""
    configure(folder)
    known = populate()
    with make_server("localhost", 0, get_wsgi_application(), Server, Silent) as server:
        sys.stdout.write(json.dumps({"issuer": f"http://localhost:{server.server_port}/o", **known}) + "\n")
        sys.stdout.flush()
        server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1])
