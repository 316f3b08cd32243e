"""The migrations of the index, in Alembic's form: each makes the tables of the former those of the next version."""
