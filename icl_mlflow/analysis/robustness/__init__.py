"""How far does the model carry away from what it was trained on?"""
