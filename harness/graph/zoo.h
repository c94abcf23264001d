/* The zoo's public header, under the name its room knows. */
#include <pare/zoo.h>
