"""What does each variant cost, and what may be concluded from it?"""
