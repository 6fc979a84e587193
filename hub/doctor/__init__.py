"""What is wrong with an installation, and what to do: looked at from outside, whether or not a hub runs.

Each check stands alone: one that cannot look says so, one that fails is a finding of its own. Nothing is changed.
"""
