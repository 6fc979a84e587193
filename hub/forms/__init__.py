"""Forms of a form generator, made kinds of this installation: read, proved, installed, compared, retired."""
