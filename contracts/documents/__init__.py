"""What members agree and what they award, as documents (documents.md): strict models, read from YAML or JSON."""
