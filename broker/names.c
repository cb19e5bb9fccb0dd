#include "names.h"

#include "text.h"

#include <stdio.h>
#include <string.h>

static const char *const adjectives[] = { "agile", "amber", "ample", "astute", "bold", "brave", "breezy", "bright", "brisk", "calm", "candid",
	"careful", "cheerful", "clear", "clever", "cosy", "crisp", "curious", "daring", "deft", "diligent", "eager", "earnest", "easy", "elated",
	"fair", "faithful", "fearless", "festive", "fine", "fluent", "fond", "frank", "fresh", "gallant", "generous", "gentle", "glad", "golden",
	"graceful", "grand", "handy", "happy", "hardy", "honest", "hopeful", "humble", "ideal", "jolly", "joyful", "keen", "kind", "lively", "loyal",
	"lucid", "lucky", "mellow", "merry", "mild", "modest", "neat", "nimble", "noble", "patient", "peaceful", "placid", "plucky", "polite",
	"proud", "prudent", "quick", "quiet", "rapid", "ready", "robust", "rustic", "serene", "sharp", "silent", "sincere", "smooth", "snug", "solid",
	"spry", "stable", "steady", "stoic", "sturdy", "subtle", "sunny", "swift", "tidy", "tranquil", "trusty", "upbeat", "valiant", "vivid", "warm",
	"wise", "witty", "zesty" };
static const char *const surnames[] = { "abel", "ampere", "archimedes", "babbage", "banach", "bardeen", "bernoulli", "bessel", "bohr", "boltzmann",
	"boole", "bose", "boyle", "brahe", "cantor", "carnot", "cauchy", "cavendish", "celsius", "chandrasekhar", "church", "copernicus", "coulomb",
	"crick", "curie", "dalton", "darwin", "davy", "descartes", "diesel", "dijkstra", "dirac", "doppler", "edison", "einstein", "eratosthenes",
	"euclid", "euler", "faraday", "fermat", "fermi", "feynman", "fibonacci", "fourier", "franklin", "fresnel", "galileo", "galois", "gauss",
	"germain", "gibbs", "goedel", "goodall", "halley", "hamilton", "hawking", "heisenberg", "helmholtz", "hertz", "hilbert", "hooke", "hopper",
	"hubble", "humboldt", "huygens", "hypatia", "jacobi", "joule", "kelvin", "kepler", "kirchhoff", "knuth", "kovalevskaya", "lagrange", "laplace",
	"lavoisier", "leavitt", "leibniz", "linnaeus", "lorentz", "lovelace", "mach", "marconi", "maxwell", "meitner", "mendel", "mendeleev",
	"michelson", "moebius", "morse", "napier", "newton", "nobel", "noether", "ohm", "ostwald", "pascal", "pasteur", "pauli", "planck", "poincare",
	"poisson", "ptolemy", "pythagoras", "ramanujan", "rayleigh", "riemann", "ritchie", "rutherford", "sagan", "schroedinger", "shannon", "siemens",
	"stokes", "tesla", "thales", "torricelli", "turing", "volta", "watt", "weber", "wiener", "wirth", "wu", "zuse" };

bool
name_is_valid(const char *name)
{
	return name != NULL && strlen(name) >= 2 && text_is_name(name, 255);
}

void
name_random(char *out, size_t size, unsigned attempt)
{
	unsigned char r[4] = { 0 };
	unsigned a, s;

	(void)text_random(r, sizeof r);
	a = (unsigned)(r[0] | r[1] << 8) % (sizeof adjectives / sizeof *adjectives);
	s = (unsigned)(r[2] | r[3] << 8) % (sizeof surnames / sizeof *surnames);
	if (attempt < 2)
		snprintf(out, size, "%s_%s", adjectives[a], surnames[s]);
	else
		snprintf(out, size, "%s_%s%u", adjectives[a], surnames[s], r[0] % 10u);
}
