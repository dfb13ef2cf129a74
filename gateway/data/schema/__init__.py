"""What databases are made of: their catalogs, scratch databases at a level of migrations, drift, drafts."""
