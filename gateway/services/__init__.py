"""The rules of the product, one package for each subject. Called by the HTTP API and by the namespaces."""
