"""Files played as a camera would deliver them."""
