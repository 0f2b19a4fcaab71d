"""Chapter 8, Section 8.2: SwapGAN, which puts the clothes of one person in a picture on another."""
