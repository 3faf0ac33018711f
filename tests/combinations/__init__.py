"""Settings together: each test goes over combinations and compares with a plain, slow account of what they mean."""
