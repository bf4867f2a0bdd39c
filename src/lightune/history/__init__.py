"""Earlier generations of language models, as baselines on the same split: was fine-tuning worth it?"""
