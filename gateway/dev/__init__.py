"""Development: servers, nodes and seeds as one program, and the generators of documents."""
