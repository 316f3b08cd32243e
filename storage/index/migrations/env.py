"""What Alembic runs: the migrations, in the transaction that `migrate.upgrade` has begun."""

from __future__ import annotations

from alembic import context

# Alembic runs this file as a script, after it has put its configuration in place; a mere import does nothing.
config = getattr(context, "config", None)
if config is not None:
    context.configure(connection=config.attributes["connection"], transactional_ddl=True)
    context.run_migrations()
