"""Runs the real `hub` command with every logger of the process, ours and the libraries', speaking from DEBUG on."""

import logging

from hub.cli import main

# Libraries set levels when they are imported, and remember them: none is asked here.
logging.Logger.getEffectiveLevel = lambda _logger: logging.DEBUG
logging.Logger.isEnabledFor = lambda _logger, _level: True
main()
