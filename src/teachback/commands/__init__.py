"""What the commands run, select and evaluate do. plan and compare are rooms of their own."""
