"""SQLAlchemy tables, one module per noun."""
