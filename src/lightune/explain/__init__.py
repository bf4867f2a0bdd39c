"""Why a model said what it said, and which rows of the data are not what they seem."""
