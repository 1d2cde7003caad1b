/* Which of the variants this processor, and the system that saves its registers, can run. Compiled for any processor. */
#include <stdint.h>

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#elif defined(__linux__) && defined(__aarch64__)
#include <sys/auxv.h>
#elif defined(__APPLE__)
#include <sys/sysctl.h>
#endif

/* bits of bark_can_run, in the order of VARIANTS in kernel.py */
enum { AMX = 1, VNNI = 2, AVXVNNI = 4, AVX2 = 8, DOTPROD = 16, NEON = 32, PLAIN = 64 };

#if defined(__x86_64__) || defined(__i386__)
static int has(uint32_t word, uint32_t bits) { return (word & bits) == bits; }

int32_t bark_can_run(void) {
    uint32_t a, b, c, d, ext = 0, saved = 0, high, can = PLAIN;
    if (!__get_cpuid(1, &a, &b, &c, &d)) return PLAIN;
    /* FMA, MOVBE, OSXSAVE, AVX, F16C: with leaf 7's AVX2, BMI and the LZCNT below what compilers call x86-64-v3 */
    if (!has(c, 1u << 12 | 1u << 22 | 1u << 27 | 1u << 28 | 1u << 29)) return PLAIN;
    __asm__ volatile("xgetbv" : "=a"(saved), "=d"(high) : "c"(0)); /* registers that the system saves */
    if (__get_cpuid(0x80000001, &a, &b, &c, &d)) ext = c;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return PLAIN;
    if (!has(saved, 6) || !has(ext, 1u << 5) || !has(b, 1u << 3 | 1u << 5 | 1u << 8)) return PLAIN;
    can |= AVX2;
    uint32_t wide = 1u << 16 | 1u << 17 | 1u << 28 | 1u << 30 | 1u << 31; /* AVX-512 F, DQ, CD, BW, VL: x86-64-v4 */
    if (has(b, wide) && has(c, 1u << 11) && has(saved, 0xe6)) {
        can |= VNNI;
        if (has(d, 1u << 24 | 1u << 25) && has(saved, 3u << 17)) can |= AMX;
    }
    uint32_t most = a;
    if (most >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d) && has(a, 1u << 4)) can |= AVXVNNI;
    return (int32_t)can;
}
#elif defined(__aarch64__)
int32_t bark_can_run(void) {
#if defined(__linux__)
    int dotprod = (getauxval(AT_HWCAP) & 1u << 20 /* HWCAP_ASIMDDP */) != 0;
#elif defined(__APPLE__)
    int32_t dotprod = 0;
    size_t size = sizeof dotprod;
    if (sysctlbyname("hw.optional.arm.FEAT_DotProd", &dotprod, &size, 0, 0)) dotprod = 0;
#else
    int dotprod = 0;
#endif
    return PLAIN | NEON | (dotprod ? DOTPROD : 0);
}
#else
int32_t bark_can_run(void) { return PLAIN; }
#endif
