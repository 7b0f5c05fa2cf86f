"""Language: sentences to words, words to ids, and the vectors that words start from."""

from laconvnet.language.encoder import TextEncoder
from laconvnet.language.tokenizer import Tokenizer, tokenize
from laconvnet.language.vectors import WordVectors, embedding_matrix, load_word_vectors
from laconvnet.language.vocabulary import Vocabulary

__all__ = ["TextEncoder", "Tokenizer", "Vocabulary", "WordVectors", "embedding_matrix", "load_word_vectors", "tokenize"]
