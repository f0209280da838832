"""Files of members in the formats that their systems write, read row by row as the documents that Concord takes."""
