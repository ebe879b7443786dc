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
struct Sum {
    using Vector = typename Normal<Float>::Vector;
    static constexpr int width = sizeof(Vector) / sizeof(Float), registers = sum_lanes / width;
    Vector lanes[registers] = {};

    VMF_INLINE void add_products(const Float* a, const Float* b) {
        for (int k = 0; k < registers; ++k) lanes[k] += load(a + k * width) * load(b + k * width);
    }
    VMF_INLINE Float total() const {
        Float sum = 0;
        for (int k = 0; k < registers; ++k) {
            for (int l = 0; l < width; ++l) sum += lanes[k][l];
        }
        return sum;
    }
    static VMF_INLINE Vector load(const Float* from) {
        Vector v;
        std::memcpy(&v, from, sizeof v);
        return v;
    }
};

template <class Float>
VMF_INLINE void place(Float* VMF_RESTRICT to, Float* VMF_RESTRICT z, const Float* VMF_RESTRICT mean, int dim,
                      double angle) {
    z[0] = 0;
    Sum<Float> squares, products;
    int i = 0;
    for (; i + sum_lanes <= dim; i += sum_lanes) {
        squares.add_products(z + i, z + i);
        products.add_products(z + i, mean + i);
    }
    if (i < dim) {
        Float last[sum_lanes] = {}, last_of_mean[sum_lanes] = {};
        std::memcpy(last, z + i, static_cast<std::size_t>(dim - i) * sizeof(Float));
        std::memcpy(last_of_mean, mean + i, static_cast<std::size_t>(dim - i) * sizeof(Float));
        squares.add_products(last, last);
        products.add_products(last, last_of_mean);
    }
    double square = squares.total(), product = products.total();
    if (square == 0.0) {  // any tangent will do for what happens once in 2^25 draws of dimension 2
        z[1] = 1, square = 1, product = mean[1];
    }
    const double sign = mean[0] < 0 ? -1.0 : 1.0;
    const double scale = std::sin(angle) / std::sqrt(square);
    const double shift = scale * product / (1.0 + sign * mean[0]);
    const Float of_noise = static_cast<Float>(scale), of_mean = static_cast<Float>(std::cos(angle) - shift);
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
        if (!rows.angle) {
            std::memcpy(to, noise, static_cast<std::size_t>(numbers) * sizeof(Float));
            continue;
        }
        for (long long r = 0; r < count; ++r) {
            place(to + r * rows.dim, noise + r * rows.dim, rows.mean + (begin + r) % rows.means * rows.dim, rows.dim,
                  rows.angle[begin + r]);
        }
    }
}

}  // namespace VMF_NAMESPACE

DirectionTable VMF_NAMED(VMF_ISA, _directions)() {
    return {VMF_NAMESPACE::fill<float>, VMF_NAMESPACE::fill<double>, VMF_NAME_OF(VMF_ISA)};
}
