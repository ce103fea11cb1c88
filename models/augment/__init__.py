"""What training pictures go through."""
