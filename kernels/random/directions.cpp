// Rows of random directions. Compiled once for each instruction set, which VMF_ISA names and VMF_WIDTH describes.
//
// With z normal, z_1 = 0 and H = I - w w'/(1 + |mu_1|), w = mu + sign(mu_1) e_1, the reflection that takes e_1 to -+mu and
// the space orthogonal to e_1 to that orthogonal to mu, the tangent is H z/|z|:
//
//     x = mu cos t + (z - w (w . z)/(1 + |mu_1|)) sin t/|z|,   w . z = mu . z.
#include "directions.hpp"

#define VMF_JOIN(a, b) a##b
#define VMF_NAMED(a, b) VMF_JOIN(a, b)
#define VMF_STRING(a) #a
#define VMF_NAME_OF(a) VMF_STRING(a)
#define VMF_NAMESPACE VMF_NAMED(vmf_random_, VMF_ISA)

#include "normals.hpp"

namespace VMF_NAMESPACE {

// Sums go through 16 lanes whatever the width of the registers, so that every instruction set gives the same bits.
constexpr int sum_lanes = 16;

template <class Float>
VMF_INLINE Float sum_of(const Float (&lanes)[sum_lanes]) {
    Float sum = 0;
    for (Float lane : lanes) sum += lane;
    return sum;
}

template <class Float>
VMF_INLINE void place(Float* VMF_RESTRICT to, Float* VMF_RESTRICT z, const Float* VMF_RESTRICT mean, int dim, double sine,
                      double cosine) {
    z[0] = 0;
    Float squares[sum_lanes] = {}, products[sum_lanes] = {};
    int i = 0;
    for (; i + sum_lanes <= dim; i += sum_lanes) {
        for (int l = 0; l < sum_lanes; ++l) {
            squares[l] += z[i + l] * z[i + l];
            products[l] += z[i + l] * mean[i + l];
        }
    }
    for (int l = 0; i < dim; ++i, ++l) {
        squares[l] += z[i] * z[i];
        products[l] += z[i] * mean[i];
    }
    double square = sum_of(squares), product = sum_of(products);
    if (square == 0.0) {  // any tangent will do for what happens once in 2^25 draws of dimension 2
        z[1] = 1, square = 1, product = mean[1];
    }
    const double sign = mean[0] < 0 ? -1.0 : 1.0;
    const double scale = sine / std::sqrt(square);
    const double shift = scale * product / (1.0 + sign * mean[0]);
    const Float of_noise = static_cast<Float>(scale), of_mean = static_cast<Float>(cosine - shift);
    for (int k = 0; k < dim; ++k) to[k] = z[k] * of_noise + mean[k] * of_mean;
    to[0] -= static_cast<Float>(shift * sign);
}

template <class Float>
void fill(const Rows<Float>& rows, long long first, long long last, Float* noise) {
    const long long group = group_rows(rows.dim);
    for (long long g = first; g < last; ++g) {
        const long long begin = g * group, left = rows.count - begin, count = left < group ? left : group;
        const long long numbers = count * rows.dim;
        normal_batches(noise, rows.key, static_cast<std::uint64_t>(g),
                       static_cast<int>((numbers + batch_size<Float> - 1) / batch_size<Float>));
        Float* to = rows.out + begin * rows.dim;
        if (!rows.sine) {
            std::memcpy(to, noise, static_cast<std::size_t>(numbers) * sizeof(Float));
            continue;
        }
        for (long long r = 0; r < count; ++r) {
            place(to + r * rows.dim, noise + r * rows.dim, rows.mean + (begin + r) % rows.means * rows.dim, rows.dim,
                  rows.sine[begin + r], rows.cosine[begin + r]);
        }
    }
}

}  // namespace VMF_NAMESPACE

DirectionTable VMF_NAMED(VMF_ISA, _directions)() {
    return {VMF_NAMESPACE::fill<float>, VMF_NAMESPACE::fill<double>, VMF_NAME_OF(VMF_ISA)};
}
