"""A wrong mapping is found, with its file, line and field; a right one raises nothing."""

from pathlib import Path

import pytest
import yaml

from hub.contracts import Contract
from hub.mapping import CompiledMapping
from hub.proof.proving import ADVICE, prove

FORM = {
    "type": "object",
    "additionalProperties": False,
    "required": ["nom", "naissance", "regime", "jours", "accord"],
    "properties": {
        "nom": {"type": "string", "minLength": 1, "maxLength": 80},
        "prenom": {"type": "string", "minLength": 1, "maxLength": 40, "pattern": "^[A-Za-z-]+$"},
        "naissance": {"type": "string", "format": "date"},
        "regime": {"type": "string", "enum": ["standard", "sans_porc", "panier"]},
        "jours": {"type": "array", "minItems": 1, "maxItems": 10, "items": {"type": "string", "format": "date"}},
        "age": {"type": "integer", "minimum": 0, "maximum": 120},
        "accord": {"type": "boolean"},
        "adresse": {
            "type": "object",
            "additionalProperties": False,
            "required": ["ville"],
            "properties": {"ville": {"type": "string", "maxLength": 30}, "voie": {"type": "string", "maxLength": 38}},
        },
    },
}
CONTRACT = {
    "type": "object",
    "additionalProperties": False,
    "required": ["Nom"],
    "properties": {
        "Nom": {"type": "string", "minLength": 1, "maxLength": 38, "pattern": "^[ -~\u00a0-\u00ff]*$"},
        "Prenom": {"type": "string", "maxLength": 40},
        "Court": {"type": "string", "maxLength": 10},
        "Latin": {"type": "string", "pattern": "^[ -~\u00a0-\u00ff]*$"},
        "Majuscules": {"type": "string", "pattern": "^[A-Z-]*$"},
        "Date": {"type": "string", "format": "date"},
        "Regime": {"type": "string", "enum": ["STD", "SP", "PAI"]},
        "Jour": {"type": "array", "minItems": 1, "maxItems": 5, "items": {"type": "string"}},
        "Age": {"type": "integer", "maximum": 99},
        "Accord": {"type": "string", "enum": ["O", "N"]},
        "Foyer": {"$ref": "#/$defs/Foyer"},
        "Fixe": {"type": "string"},
        "Mobile": {"type": "string"},
    },
    "not": {"required": ["Fixe", "Mobile"]},
    "$defs": {
        "Foyer": {
            "type": "object",
            "additionalProperties": False,
            "required": ["Ville"],
            "properties": {"Ville": {"type": "string"}, "Voie": {"type": "string"}},
        }
    },
}
SOUND = {
    "Nom": '$cut($latin1($propre(data.nom)) ?: "NOM NON TRANSCRIT", 38)',
    "Prenom": "data.prenom",
    "Date": "data.naissance",
    "Regime": '$lookup({"standard": "STD", "sans_porc": "SP", "panier": "PAI"}, data.regime)',
    "Jour": "[data.jours[[0..4]]]",
    "Age": "$min([data.age, 99])",
    "Accord": 'data.accord ? "O" : "N"',
    "Foyer": 'data.adresse.{"Ville": ville, "Voie": voie}',
}


def findings(tmp_path: Path, fields, form=FORM, contract=CONTRACT, **more):
    file = tmp_path / "essai.yaml"
    said = {"mapping": "essai/essai", "from": "essai", "to": "essai.deposer", "fields": fields, **more}
    said |= {"examples": [{"name": "rien", "given": {}, "expect": {}}]}
    file.write_text(yaml.safe_dump(said, allow_unicode=True, sort_keys=False), "utf-8")
    mapping = CompiledMapping.read(file, file.read_text("utf-8"))
    return list(prove(mapping, file, {"essai": form}, Contract(contract, file) if contract else None))


def test_a_right_mapping_raises_nothing(tmp_path):
    assert findings(tmp_path, SOUND) == []


@pytest.mark.parametrize(
    ("field", "expression", "code", "said"),
    [
        ("Nom", "data.nm", "path-unknown", "reads data.nm, which essai has not: did you mean data.nom?"),
        ("Foyer", "data.nom.ville", "path-unknown", "reads data.nom.ville"),
        ("Prenom", "applicant.identity.name", "path-unknown", "reads applicant.identity.name"),
        ("Prenom", "$decison.reason", "path-unknown", "reads $decison, which is not given here"),
        ("Nom", "$cut($latin1(data.prenom), 38)", "element-absent", "when data.prenom is absent"),
        ("Nom", "$cut($latin1(data.nom), 40) & data.regime", "length", "longer than 38 characters"),
        ("Court", "data.nom", "length", "longer than 10 characters when data.nom is 80 characters long"),
        ("Court", "$cut($upper($cut(data.nom, 10)) & '', 10) & data.prenom[0]", "length", "longer than 10"),
        ("Court", "$upper($cut(data.nom, 10))", "length", "letters that grow in capitals"),
        ("Latin", "$cut(data.nom, 10)", "charset", "when data.nom is"),
        ("Majuscules", "$upper($latin1(data.nom))", "pattern", "does not match"),
        ("Date", "$date_fr(data.naissance)", "format", 'is not a "date"'),
        (
            "Regime",
            '$lookup({"standard": "STD", "panier": "PAI"}, data.regime) ?? "SANS"',
            "value-unmapped",
            "sans_porc",
        ),
        ("Regime", "$upper(data.regime)", "value-unmapped", 'is not one of "STD", "SP" or "PAI"'),
        ("Jour", "data.jours[0]", "type", "is not of type"),
        ("Jour", "data.jours[]", "cardinality", "more than 5 items when data.jours is a list of 10"),
        ("Age", "data.age", "bounds", "greater than the maximum of 99 when data.age is 120"),
        ("Age", "$string(data.age)", "type", "is not of type"),
        ("Prenom", "data.prenom ?? null", "null", "when data.prenom is absent"),
        ("Foyer.Ville", "data.adresse.ville", "element-absent", "when data.adresse is absent"),
        ("Foyer.Ville", "data.nom", "sound", ""),
        ("Prenom", "$date_fr(data.nom)", "fails", "cannot be evaluated"),
        ("Surnom", "data.nom", "element-unknown", "the contract has Nom, Prenom"),
        ("Foyer.Pays", '"FR"', "element-unknown", "the contract has Ville, Voie"),
    ],
)
def test_each_wrong_expression_is_found_at_its_field(tmp_path, field, expression, code, said):
    name, _, below = field.partition(".")
    fields = {**SOUND, name: {**({"Ville": '"Arles"'} if below else {}), below: expression} if below else expression}
    found = [finding for finding in findings(tmp_path, fields) if finding.field == field]
    if code == "sound":
        assert found == []
        return
    assert code in {finding.code for finding in found}, found
    first = next(finding for finding in found if finding.code == code)
    assert said in first.message
    assert first.advice == ADVICE[code]
    line = (tmp_path / "essai.yaml").read_text("utf-8").splitlines()[first.line - 1]
    assert (below or name) in line


def test_a_required_element_that_nothing_writes_is_found(tmp_path):
    fields = {name: said for name, said in SOUND.items() if name != "Nom"}
    [finding] = findings(tmp_path, fields)
    assert (finding.code, finding.field) == ("element-missing", "Nom")


def test_two_elements_that_exclude_each_other_are_found(tmp_path):
    found = findings(tmp_path, SOUND | {"Fixe": "data.prenom", "Mobile": "data.prenom"})
    assert "choice" in {finding.code for finding in found}


def test_a_choice_that_a_condition_settles_raises_nothing(tmp_path):
    chosen = {"Fixe": "data.accord ? data.prenom", "Mobile": "data.accord = false ? data.prenom"}
    assert findings(tmp_path, SOUND | chosen) == []


def test_an_enumeration_is_total_when_a_value_is_added_to_the_form_and_its_default_is_in_the_contract(tmp_path):
    more = {**FORM["properties"], "regime": {"type": "string", "enum": ["standard", "sans_porc", "panier", "vegan"]}}
    [finding] = findings(tmp_path, {**SOUND, "Regime": SOUND["Regime"] + ' ?? "AUTRE"'}, {**FORM, "properties": more})
    assert (finding.code, finding.field) == ("value-unmapped", "Regime")
    assert "« vegan »" in finding.message
    assert findings(tmp_path, {**SOUND, "Regime": SOUND["Regime"] + ' ?? "STD"'}, {**FORM, "properties": more}) == []


def test_what_a_condition_of_the_form_rules_out_is_not_tried(tmp_path):
    rule = {"if": {"properties": {"accord": {"const": True}}}, "then": {"required": ["prenom"]}}
    form = {**FORM, "allOf": [rule]}
    assert findings(tmp_path, {**SOUND, "Nom": 'data.accord ? $cut(data.prenom, 38) : "SANS"'}, form) == []
    unruled = findings(tmp_path, {**SOUND, "Nom": 'data.accord ? $cut(data.prenom, 38) : "SANS"'})
    assert [finding.code for finding in unruled] == ["element-absent"]


def test_a_form_that_holds_itself_is_followed_only_so_far(tmp_path):
    form = {
        **FORM,
        "properties": {**FORM["properties"], "parent": {"$ref": "#/$defs/parent"}},
        "$defs": {"parent": {"type": "object", "properties": {"parent": {"$ref": "#/$defs/parent"}}}},
    }
    assert findings(tmp_path, SOUND, form) == []


def test_without_a_contract_what_is_read_is_proved_all_the_same(tmp_path):
    [finding] = findings(tmp_path, {"Surnom": "data.surnom"}, contract=None)
    assert (finding.code, finding.line) == ("path-unknown", 5)


def test_what_the_files_expression_reads_is_proved_too(tmp_path):
    [finding] = findings(tmp_path, SOUND, files="data.fichiers")
    assert (finding.code, finding.field) == ("path-unknown", "files")
