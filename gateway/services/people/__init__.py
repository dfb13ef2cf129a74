"""Users and guests as the staff sees them."""
