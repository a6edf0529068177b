export { default } from '../../missing'
