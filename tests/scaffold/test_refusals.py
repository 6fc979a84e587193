"""What cannot be scaffolded is refused in words that help, and nothing is written then."""

import pytest

from hub.errors import ConfigurationError

from .conftest import CONTRACTS

WSDL = (CONTRACTS / "guichet.wsdl").read_text("utf-8")


def refused(home, *arguments):
    before = sorted(home.folder.rglob("*"))
    with pytest.raises(ConfigurationError) as error:
        home.new(*arguments)
    assert sorted(home.folder.rglob("*")) == before
    return str(error.value)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        (
            "notes.txt",
            "Bonjour",
            "a WSDL 1.1, an XSD, an OpenAPI 3.0 or 3.1 document (JSON or YAML), or a GraphQL schema",
        ),
        ("page.xml", "<html/>", "its root is html"),
        ("casse.wsdl", "<definitions", "an XML document"),
        ("vieux.json", '{"swagger": "2.0"}', "openapi: expected 3.0 or 3.1, not 2.0"),
        ("vide.yaml", "openapi: 3.1.0\ninfo: {title: a, version: '1'}\npaths: {}", "paths: an operation at least"),
        (
            "ailleurs.yaml",
            "openapi: 3.1.0\npaths: {/a: {post: {requestBody: {$ref: 'b.yaml#/x'}, responses: {}}}}",
            "only references within the file",
        ),
        ("faux.graphql", "type Query { a: Inconnu }", "Unknown type 'Inconnu'"),
        ("muet.graphql", "schema { query: Q }\ntype Q { a(b: Int!): C }\ntype C { d(e: Int!): Int }", ""),
        ("soap12.wsdl", WSDL.replace("wsdl/soap/", "wsdl/soap12/"), "has no SOAP 1.1 binding"),
        ("rpc.wsdl", WSDL.replace('style="document"', 'style="rpc"'), "its style is rpc"),
        (
            "reseau.wsdl",
            WSDL.replace("<types>", '<import namespace="urn:x" location="https://ailleurs.exemple/x.wsdl"/><types>'),
            "x.wsdl",
        ),
    ],
)
def test_a_file_that_leads_to_no_connector_says_what_was_expected(home, name, text, expected):
    file = home.folder / name
    file.write_text(text)
    if not expected:
        assert home.new("connector", "essai", "--from", str(file))["operations"] == {"a": "safe"}
        return
    assert expected in refused(home, "connector", "essai", "--from", str(file))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("connector", "logitud"), "a connector is called 'logitud' already"),
        (("connector", "Mon-Guichet"), "lower case letters, digits and underscores"),
        (("connector", "essai", "--from", "rien.wsdl"), "No such file"),
        (("kind", "rapo"), "rapo is there already"),
        (("kind", "Voirie"), "a kind's name"),
        (("kind", "essai", "--field", "a:couleur"), "name:sort"),
        (("mapping", "logitud.rien", "--from", "rapo"), "logitud has: demander_acte_naissance"),
        (("mapping", "rien.rien", "--from", "rapo"), "no connector is called so; there are: adresse"),
        (("mapping", "logitud.deposer_rapo", "--from", "rien"), "no kind is called so; there are: "),
        (("target", "a", "--connector", "rien"), "no connector is called so; there are: adresse"),
    ],
)
def test_a_name_that_is_taken_or_unknown_says_which_there_are(home, arguments, expected):
    assert expected in refused(home, *arguments)


def test_nothing_is_ever_overwritten_and_the_file_in_the_way_is_named(home):
    test = home.folder / "tests/connectors/test_guichet.py"
    test.parent.mkdir(parents=True)
    test.write_text("# mine\n")
    assert f"{test}: stands in the way" in refused(
        home, "connector", "guichet", "--from", str(CONTRACTS / "guichet.wsdl")
    )
    assert test.read_text() == "# mine\n"


def test_a_mapping_is_written_once(copied):
    told = refused(copied, "mapping", "guichet.deposer", "--from", "voirie.arbre")
    assert "mappings/guichet/voirie_arbre.yaml: stands in the way" in told
    copied.new("mapping", "guichet.deposer", "--from", "voirie.arbre", "--as", "autre")
    assert "mapping: guichet/autre\n" in copied.read("mappings/guichet/autre.yaml")
