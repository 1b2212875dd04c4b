"""What stands under tables, in words."""
