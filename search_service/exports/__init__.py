"""Shows in the formats of other people's machines. Pure: items of an answer in, documents out."""
