"""What a contract calls its elements is written as text into a connector's code, and never as code."""

import ast

from hypothesis import given
from hypothesis import strategies as st

from hub.scaffold.draft import literal


@given(st.text() | st.integers() | st.lists(st.text(), max_size=3).map(tuple))
def test_whatever_a_contract_says_is_one_literal(said):
    assert ast.literal_eval(literal(said)) == said


def test_a_name_that_is_a_call_is_not_called():
    assert isinstance(ast.parse(literal('x" + print("gotcha") + "')).body[0].value, ast.Constant)
