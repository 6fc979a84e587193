"""The project's tests: a package, so that one of the same name in a library's wheel never stands in its place."""
