"""What runs leave behind: frozen, raw, in SI units; JSON and back. Only data: nothing is derived here."""
