#include "io/digits.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include <pare/rng.h>

#define SIDE          PARE_DIGITS_SIDE
#define MAX_POINTS    16
#define STEPS         6 /* straight pieces between two control points */
#define N_ELEMENTS(A) ((int)(sizeof(A) / sizeof *(A)))

struct point {
    double x, y;
};

/* One way to write a digit, in a box of 1 by 1, y downwards.  `strokes` are words of letters, the
 * names of points: "abc" is a smooth curve through a, b and c.  A corner is the end of one word and
 * the start of the next.  A word that ends where it began is a closed curve. */
struct template
{
    int digit;
    int weight; /* how often, among those of its digit */
    const char *strokes;
    struct point points[MAX_POINTS];
};

static const struct template templates[] = {
    /* round; begun at the upper right and left open; narrow */
    {0,
     5,
     "abcdefgha",
     {{.50, .01},
      {.24, .14},
      {.13, .50},
      {.24, .86},
      {.50, .99},
      {.76, .86},
      {.87, .50},
      {.76, .14}}},
    {0,
     4,
     "abcdefgh",
     {{.66, .06},
      {.36, .06},
      {.15, .42},
      {.22, .84},
      {.52, .99},
      {.80, .80},
      {.84, .38},
      {.56, .03}}},
    {0, 2, "abcdefa", {{.52, .01}, {.30, .25}, {.28, .70}, {.50, .99}, {.70, .75}, {.72, .28}}},
    /* a stroke; with a flag; with flag and foot */
    {1, 5, "abc", {{.52, .01}, {.50, .50}, {.49, .99}}},
    {1, 4, "ab bcd", {{.30, .24}, {.54, .01}, {.53, .50}, {.52, .99}}},
    {1, 2, "ab bcd ef", {{.28, .24}, {.54, .01}, {.53, .50}, {.52, .98}, {.26, .98}, {.78, .97}}},
    /* sharp heel; looped heel; flat top */
    {2,
     5,
     "abcdefg gh",
     {{.16, .26},
      {.28, .07},
      {.54, .01},
      {.78, .14},
      {.78, .36},
      {.52, .66},
      {.15, .96},
      {.86, .96}}},
    {2,
     4,
     "abcdefghij",
     {{.20, .20},
      {.42, .02},
      {.72, .08},
      {.76, .34},
      {.52, .68},
      {.26, .94},
      {.13, .86},
      {.28, .76},
      {.56, .90},
      {.90, .93}}},
    {2, 2, "abc cd de", {{.20, .14}, {.46, .04}, {.76, .10}, {.18, .95}, {.84, .94}}},
    /* two bowls; flat top; one wave */
    {3,
     5,
     "abcde efghi",
     {{.18, .13},
      {.44, .01},
      {.74, .12},
      {.72, .36},
      {.42, .47},
      {.78, .58},
      {.82, .84},
      {.50, .99},
      {.15, .88}}},
    {3,
     3,
     "ab bc cdefg",
     {{.18, .05}, {.78, .05}, {.44, .40}, {.76, .52}, {.82, .80}, {.50, .99}, {.16, .90}}},
    {3,
     2,
     "abcdefgh",
     {{.22, .10},
      {.52, .01},
      {.76, .18},
      {.58, .44},
      {.56, .50},
      {.82, .72},
      {.58, .98},
      {.14, .92}}},
    /* open; closed; open with a bent arm */
    {4, 5, "ab bc de", {{.26, .03}, {.16, .58}, {.88, .56}, {.70, .12}, {.64, .99}}},
    {4, 4, "ab bc ade", {{.66, .01}, {.10, .66}, {.92, .66}, {.65, .50}, {.64, .99}}},
    {4,
     3,
     "abcd efg",
     {{.20, .05}, {.16, .40}, {.32, .54}, {.78, .46}, {.78, .02}, {.74, .50}, {.70, .99}}},
    /* with corners; one wave; cap drawn last */
    {5,
     5,
     "ab bc cdefg",
     {{.82, .04}, {.30, .04}, {.24, .44}, {.52, .36}, {.82, .58}, {.64, .94}, {.14, .92}}},
    {5,
     3,
     "abcdefgh",
     {{.82, .05},
      {.46, .04},
      {.25, .20},
      {.36, .40},
      {.70, .54},
      {.78, .80},
      {.48, .99},
      {.14, .90}}},
    {5,
     3,
     "ab bcdef ag",
     {{.34, .08}, {.28, .44}, {.62, .42}, {.80, .70}, {.56, .97}, {.16, .88}, {.86, .03}}},
    /* bent; straight back; curl */
    {6,
     5,
     "abcdefghi",
     {{.72, .04},
      {.42, .22},
      {.20, .58},
      {.28, .90},
      {.54, .99},
      {.80, .82},
      {.72, .58},
      {.48, .54},
      {.24, .72}}},
    {6,
     4,
     "abcdefgh",
     {{.52, .01},
      {.28, .40},
      {.18, .76},
      {.40, .99},
      {.72, .90},
      {.76, .66},
      {.52, .54},
      {.22, .72}}},
    {6,
     2,
     "abcdefg",
     {{.78, .10}, {.52, .02}, {.24, .36}, {.20, .80}, {.54, .98}, {.80, .74}, {.26, .58}}},
    /* plain; crossed; curved with a serif */
    {7, 5, "ab bcd", {{.14, .06}, {.84, .05}, {.58, .50}, {.40, .99}}},
    {7, 3, "ab bcd ef", {{.14, .06}, {.84, .05}, {.60, .46}, {.42, .99}, {.30, .52}, {.80, .48}}},
    {7, 3, "ab bcd def", {{.14, .22}, {.18, .04}, {.50, .08}, {.84, .03}, {.54, .46}, {.50, .99}}},
    /* one line; two rings; open at the upper right */
    {8,
     5,
     "abcdefghijkla",
     {{.76, .18},
      {.52, .01},
      {.24, .16},
      {.32, .36},
      {.52, .48},
      {.76, .66},
      {.72, .91},
      {.48, .99},
      {.22, .88},
      {.28, .64},
      {.52, .48},
      {.70, .36}}},
    {8,
     3,
     "abcda efghe",
     {{.50, .48},
      {.26, .25},
      {.50, .01},
      {.74, .24},
      {.50, .47},
      {.20, .72},
      {.50, .99},
      {.80, .73}}},
    {8,
     3,
     "abcdefghi",
     {{.78, .10},
      {.46, .03},
      {.26, .24},
      {.54, .46},
      {.78, .76},
      {.48, .99},
      {.22, .78},
      {.50, .48},
      {.80, .14}}},
    /* ring and straight leg; curved tail; one line */
    {9,
     5,
     "abcdefa agh",
     {{.76, .20},
      {.54, .02},
      {.26, .12},
      {.22, .38},
      {.46, .50},
      {.70, .38},
      {.74, .60},
      {.68, .99}}},
    {9,
     4,
     "abcdef aghi",
     {{.76, .16},
      {.52, .02},
      {.24, .18},
      {.28, .44},
      {.54, .50},
      {.76, .28},
      {.78, .56},
      {.64, .88},
      {.26, .96}}},
    {9,
     3,
     "abcdefgh",
     {{.74, .10},
      {.40, .04},
      {.22, .30},
      {.44, .48},
      {.68, .36},
      {.78, .08},
      {.70, .56},
      {.46, .99}}},
};

static double between(struct pare_rng *rng, double low, double high)
{
    return low + (high - low) * pare_rng_uniform(rng);
}

/* Bell-shaped with deviation 1, by the sum of four uniform numbers: Box-Muller would need log and
 * cos, whose last bit differs between C libraries. */
static double bell(struct pare_rng *rng)
{
    double sum = 0;

    for (int i = 0; i < 4; i++)
        sum += pare_rng_uniform(rng);
    return (sum - 2) * 1.7320508075688772; /* the sum's variance is 4/12 */
}

/* How a hand moves the template onto the paper. */
struct hand {
    double width, height; /* pixels */
    double slant, bend_x, bend_y, taper;
    double turn_cos, turn_sin;
    double x, y; /* centre */
};

static void hand_draw(struct hand *hand, struct pare_rng *rng)
{
    double t = 0.09 * bell(rng); /* tangent of half the angle */

    hand->height = between(rng, 15, 21.5);
    hand->width = hand->height * between(rng, 0.62, 1.02);
    hand->slant = -0.05 + 0.20 * bell(rng);
    hand->bend_x = 0.22 * bell(rng);
    hand->bend_y = 0.16 * bell(rng);
    hand->taper = 0.22 * bell(rng);
    hand->turn_cos = (1 - t * t) / (1 + t * t);
    hand->turn_sin = 2 * t / (1 + t * t);
    hand->x = 0.5 * (SIDE - 1) + between(rng, -1.7, 1.7);
    hand->y = 0.5 * (SIDE - 1) + between(rng, -1.7, 1.7);
}

static struct point hand_map(const struct hand *hand, struct point p)
{
    double u = p.x - 0.5, v = p.y - 0.5;
    double x = hand->width * (u * (1 + hand->taper * v) + hand->bend_x * v * v - hand->slant * v);
    double y = hand->height * (v * (1 + hand->taper * u) + hand->bend_y * u * u);

    return (struct point){hand->x + hand->turn_cos * x - hand->turn_sin * y,
                          hand->y + hand->turn_sin * x + hand->turn_cos * y};
}

/* For every pixel its distance to the edge of the nearest ink, in pixels; negative inside. */
struct paper {
    double gap[SIDE][SIDE];
};

static int clamp_pixel(double x)
{
    return x < 0 ? 0 : x > SIDE - 1 ? SIDE - 1 : (int)x;
}

static void draw_line(struct paper *paper, struct point a, struct point b, double radius)
{
    const double reach = radius + 2;
    int left = clamp_pixel((a.x < b.x ? a.x : b.x) - reach);
    int right = clamp_pixel((a.x < b.x ? b.x : a.x) + reach);
    int top = clamp_pixel((a.y < b.y ? a.y : b.y) - reach);
    int bottom = clamp_pixel((a.y < b.y ? b.y : a.y) + reach);
    double dx = b.x - a.x, dy = b.y - a.y, length2 = dx * dx + dy * dy;

    for (int y = top; y <= bottom; y++)
        for (int x = left; x <= right; x++) {
            double px = x - a.x, py = y - a.y;
            double t = length2 > 0 ? (px * dx + py * dy) / length2 : 0;
            double gap;

            t = t < 0 ? 0 : t > 1 ? 1 : t;
            px -= t * dx;
            py -= t * dy;
            gap = sqrt(px * px + py * py) - radius;
            if (gap < paper->gap[y][x])
                paper->gap[y][x] = gap;
        }
}

/* Between b and c of the Catmull-Rom spline through a, b, c, d. */
static struct point spline(struct point a, struct point b, struct point c, struct point d, double t)
{
    double wa = ((2 - t) * t - 1) * t, wb = (3 * t - 5) * t * t + 2;
    double wc = ((4 - 3 * t) * t + 1) * t, wd = (t - 1) * t * t;

    return (struct point){0.5 * (wa * a.x + wb * b.x + wc * c.x + wd * d.x),
                          0.5 * (wa * a.y + wb * b.y + wc * c.y + wd * d.y)};
}

/* The curve through points[word[0]], points[word[1]], ...; the pen presses `start` at its beginning
 * and `end` at its end. */
static void draw_word(struct paper *paper, const struct point *points, const char *word, int n,
                      double start, double end, double cut)
{
    bool closed = n > 2 && word[0] == word[n - 1];
    int n_steps = (n - 1) * STEPS;
    struct point last = points[word[0] - 'a'];

    for (int step = 1; step <= n_steps; step++) {
        int i = (step - 1) / STEPS;
        struct point b = points[word[i] - 'a'], c = points[word[i + 1] - 'a'];
        struct point a = i > 0 ? points[word[i - 1] - 'a'] : closed ? points[word[n - 2] - 'a'] : b;
        struct point d = i + 2 < n ? points[word[i + 2] - 'a'] : closed ? points[word[1] - 'a'] : c;
        struct point p = spline(a, b, c, d, (double)(step - i * STEPS) / STEPS);
        double along = (double)step / n_steps;

        if (along > cut)
            draw_line(paper, last, p, start + (end - start) * along);
        last = p;
    }
}

static const struct template *choose_template(struct pare_rng *rng, int digit)
{
    const struct template *chosen = NULL;
    int total = 0;
    int64_t ticket;

    for (int i = 0; i < N_ELEMENTS(templates); i++)
        total += templates[i].digit == digit ? templates[i].weight : 0;
    ticket = pare_rng_below(rng, total);
    for (int i = 0; !chosen; i++)
        if (templates[i].digit == digit && (ticket -= templates[i].weight) < 0)
            chosen = &templates[i];
    return chosen;
}

static void draw_strokes(struct paper *paper, const struct template *template, double pen,
                         struct pare_rng *rng)
{
    struct point points[MAX_POINTS];
    double jitter = between(rng, 0.015, 0.055);
    struct hand hand;

    hand_draw(&hand, rng);
    for (int i = 0; i < MAX_POINTS; i++) {
        points[i].x = template->points[i].x + jitter * bell(rng);
        points[i].y = template->points[i].y + jitter * bell(rng);
        points[i] = hand_map(&hand, points[i]);
    }
    for (const char *word = template->strokes; *word;) {
        int n = (int)strcspn(word, " ");
        double start = pen * between(rng, 0.75, 1.25), end = pen * between(rng, 0.65, 1.25);
        double cut = pare_rng_uniform(rng) < 0.2 ? between(rng, 0, 0.14) : 0;

        draw_word(paper, points, word, n, start, end, cut);
        word += n;
        word += strspn(word, " ");
    }
}

/* Short strokes that belong to nothing. */
static void draw_specks(struct paper *paper, double pen, struct pare_rng *rng)
{
    int n = pare_rng_uniform(rng) < 0.4 ? 1 + (int)pare_rng_below(rng, 2) : 0;

    for (int i = 0; i < n; i++) {
        struct point a = {between(rng, 0, SIDE - 1), between(rng, 0, SIDE - 1)};
        struct point b = {a.x + between(rng, -3, 3), a.y + between(rng, -3, 3)};
        draw_line(paper, a, b, 0.7 * pen);
    }
}

int pare_digits_draw(uint8_t *pixels, uint64_t seed, uint64_t index)
{
    struct pare_rng rng;
    struct paper paper;
    double pen, softness, ink, noise;
    int digit;

    pare_rng_init(&rng, seed, index);
    digit = (int)pare_rng_below(&rng, PARE_DIGITS_CLASSES);
    pen = between(&rng, 0.5, 1.6);
    softness = between(&rng, 0.9, 1.9);
    ink = between(&rng, 150, 255);
    noise = between(&rng, 0, 22);
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++)
            paper.gap[y][x] = SIDE;
    draw_strokes(&paper, choose_template(&rng, digit), pen, &rng);
    draw_specks(&paper, pen, &rng);
    for (int i = 0; i < SIDE * SIDE; i++) {
        double cover = 0.5 - paper.gap[i / SIDE][i % SIDE] / softness;
        uint64_t bits = pare_rng_u64(&rng);
        /* the sum of four 16-bit numbers, as in bell() */
        double grain = (double)((bits & 0xffff) + (bits >> 16 & 0xffff) + (bits >> 32 & 0xffff) +
                                (bits >> 48)) /
                           65535 -
                       2;
        double value = ink * (cover < 0 ? 0 : cover > 1 ? 1 : cover) + noise * 1.732 * grain + 0.5;

        pixels[i] = value < 0 ? 0 : value > 255 ? 255 : (uint8_t)value;
    }
    return digit;
}
