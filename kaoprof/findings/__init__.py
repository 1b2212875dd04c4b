"""What a record says: standings, floors, growth, warnings. Pure; nothing is measured or printed."""
