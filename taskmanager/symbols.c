#include "taskmanager/symbols.h"

#include <elf.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static bool inside(size_t file_size, uint64_t offset, uint64_t size)
{
    return offset <= file_size && size <= file_size - offset;
}

static void copy_name(const char *from, size_t max, char *out, size_t size)
{
    size_t n = 0;

    while (n + 1 < size && n < max && from[n]) {
        out[n] = from[n];
        n++;
    }
    out[n] = 0;
}

static int search(const uint8_t *file, size_t file_size, const Elf64_Shdr *table,
                  const Elf64_Shdr *strings, uint64_t offset, char *out, size_t size)
{
    uint64_t count = table->sh_entsize ? table->sh_size / table->sh_entsize : 0;

    if (table->sh_entsize != sizeof(Elf64_Sym) ||
        !inside(file_size, table->sh_offset, table->sh_size) ||
        !inside(file_size, strings->sh_offset, strings->sh_size))
        return -1;
    for (uint64_t i = 0; i < count; i++) {
        Elf64_Sym symbol;
        memcpy(&symbol, file + table->sh_offset + i * sizeof symbol, sizeof symbol);
        if (ELF64_ST_TYPE(symbol.st_info) != STT_FUNC || offset < symbol.st_value ||
            offset - symbol.st_value >= symbol.st_size || symbol.st_name >= strings->sh_size)
            continue;
        copy_name((const char *)file + strings->sh_offset + symbol.st_name,
                  strings->sh_size - symbol.st_name, out, size);
        return 0;
    }
    return -1;
}

static int search_file(const uint8_t *file, size_t file_size, uint64_t offset, char *out,
                       size_t size)
{
    Elf64_Ehdr header;

    if (file_size < sizeof header)
        return -1;
    memcpy(&header, file, sizeof header);
    if (memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_shentsize != sizeof(Elf64_Shdr) ||
        !inside(file_size, header.e_shoff, (uint64_t)header.e_shnum * sizeof(Elf64_Shdr)))
        return -1;
    for (uint32_t i = 0; i < header.e_shnum; i++) {
        Elf64_Shdr section, strings;
        memcpy(&section, file + header.e_shoff + i * sizeof section, sizeof section);
        if (section.sh_type != SHT_SYMTAB || section.sh_link >= header.e_shnum)
            continue;
        memcpy(&strings, file + header.e_shoff + section.sh_link * sizeof strings, sizeof strings);
        return search(file, file_size, &section, &strings, offset, out, size);
    }
    return -1;
}

int weir_symbol_at(const char *path, uint64_t offset, char *out, size_t size)
{
    struct stat status;
    int rc = -1, fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return -1;
    if (fstat(fd, &status) == 0 && status.st_size > 0) {
        size_t file_size = (size_t)status.st_size;
        void *file = mmap(NULL, file_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (file != MAP_FAILED) {
            rc = search_file(file, file_size, offset, out, size);
            munmap(file, file_size);
        }
    }
    close(fd);
    return rc;
}
