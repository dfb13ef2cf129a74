"""The tables as Tortoise models, used by services. What Tortoise cannot say, such as checks, is in the migrations."""
