"""How a record is put into words and colours. No I/O, no clock."""
