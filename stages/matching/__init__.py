"""Matching of images and sentences: what Chapters 5, 6 and 7 share."""
