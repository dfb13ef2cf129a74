"""The schemas of databases: catalogs, scratch databases at a level of migrations, drift, drafts."""
