"""The API libraries: the one room that changes their objects, classes and modules."""
