"""The ledger's migrations, run by `hub.database.upgrade`."""
