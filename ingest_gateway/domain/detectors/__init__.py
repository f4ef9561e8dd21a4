"""The rules of the checker, one small file each; `catalog` lists them in their order."""
