"""What a command would change, and the consent to it."""
