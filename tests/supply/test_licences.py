"""What the hub installs is under licences that it may use, and the list says which."""

from email.message import Message

from tests.supply.licences import LIST, Said, expression_of, refused, told, written


def package(**said):
    made = Message()
    for name, value in said.items():
        made[name.replace("_", "-")] = value
    return made


def test_everything_that_is_installed_is_under_an_admitted_licence():
    assert list(refused(told())) == []


def test_a_licence_nobody_admitted_is_refused_and_so_is_one_among_several():
    wrong = [Said("one", "AGPL-3.0-only"), Said("two", "MIT OR AGPL-3.0-only"), Said("three", "")]
    assert list(refused([*wrong, Said("four", "MIT AND BSD-3-Clause")])) == [
        "one: AGPL-3.0-only",
        "two: MIT OR AGPL-3.0-only",
        "three: no licence that can be read",
    ]


def test_the_list_is_what_the_packages_say_now():
    assert LIST.read_text("utf-8") == written(told()), "make licences"


def test_the_surest_of_what_a_package_says_is_believed():
    assert expression_of(package(License_Expression="MIT AND PSF-2.0", License="GPL-3.0")) == "MIT AND PSF-2.0"
    assert expression_of(package(License="New BSD")) == "BSD-3-Clause"
    assert expression_of(package(License="Dual License", Classifier="License :: OSI Approved :: BSD License")) == (
        "BSD-3-Clause"
    )
    assert expression_of(package(License="Copyright (c) 2021, somebody", Classifier="Topic :: Internet")) == ""
