"""Where a pre-trained model comes from, and running it in two parts."""
