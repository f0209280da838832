"""Lint of agreements and award definitions: what is refused at publication (documents.md, Lint); pure."""
