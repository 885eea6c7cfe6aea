"""Whether anybody notices that versions change under load."""
