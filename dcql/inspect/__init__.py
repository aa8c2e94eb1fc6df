"""What people look at: differences, funnels, reports."""
