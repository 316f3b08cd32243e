"""What Alembic runs: the migrations, in the transaction that `migrate.upgrade` has begun."""

from __future__ import annotations

from alembic import context

context.configure(connection=context.config.attributes["connection"], transactional_ddl=True)
context.run_migrations()
