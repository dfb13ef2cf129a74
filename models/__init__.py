"""The tables as Tortoise models, a package for each database. The rest, such as checks, is in the migrations."""
