"""Makes what runs equal what the file asks for, and keeps it so."""
