"""How often do two readers of LIDC-IDRI give a nodule the same score?"""
