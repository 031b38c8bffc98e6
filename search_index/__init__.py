"""What indexing and searching share: the document, the mapping, the folding of text, the client."""
